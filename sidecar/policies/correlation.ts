/** The member of baggage in which a call carries its correlation id to apps that pass on baggage alone. */
const name = 'outrigger.id';
const members = /(?:^|,)[ \t]*outrigger\.id[ \t]*=[ \t]*([^,; \t]*)[^,]*/g;

/** The correlation id that baggage says, unchecked; empty when it says none. The first counts. */
export const idIn = (baggage: string): string => {
  if (!baggage.includes(name)) return '';
  for (const [, value = ''] of baggage.matchAll(members)) return value;
  return '';
};

/**
 * `baggage` with the id in front: what is too long is cut off at the end. The same string when it says this id already, as
 * from the second hop on.
 */
export const withId = (baggage: string, id: string): string => {
  const member = `${name}=${id}`;
  if (baggage === '') return member;
  if (!baggage.includes(name)) return `${member},${baggage}`;
  if (idIn(baggage) === id) return baggage;
  const others = baggage.replace(members, '').replace(/^,/, '');
  return others === '' ? member : `${member},${others}`;
};
