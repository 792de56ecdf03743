/** A member of baggage without its properties: name and value as they stand there, trimmed. */
export type BaggageMember = readonly [name: string, value: string];

/** What names of members begin with that are answers of flags: `ff.express=on`. */
export const flagPrefix = 'ff.';

/**
 * The member that says that a call tree has its answers: the version of the definitions, and who decided:
 * `outrigger.flags=3f9a01bc.web`.
 */
export const flagMark = 'outrigger.flags';

/** The members of `baggage`, in order; one without a `=` has an empty name. Ref: W3C Baggage, 2024, section 3.3. */
export const membersOf = (baggage: string): BaggageMember[] =>
  baggage.split(',').map((member) => {
    const [pair = ''] = member.split(';', 1);
    const equals = pair.indexOf('=');
    return [pair.slice(0, Math.max(equals, 0)).trim(), pair.slice(equals + 1).trim()];
  });
