import { agentChecks } from './agent.ts';
import { appChecks } from './app.ts';
import type { Check, Finding } from './finding.ts';
import { because, fault, risk } from './finding.ts';
import { hostChecks } from './host.ts';
import { identityChecks } from './identity.ts';
import { meshChecks } from './mesh.ts';
import { peersChecks } from './peers.ts';
import { tokenChecks } from './token.ts';
import type { World } from './world.ts';

/** What a check found, under its name. */
export interface Diagnosis extends Finding {
  readonly check: string;
}

/** Every check, in the order in which findings are shown: what others hang on comes first. */
export const checks: readonly Check[] = [
  ...hostChecks,
  ...agentChecks,
  ...tokenChecks,
  ...identityChecks,
  ...appChecks,
  ...peersChecks,
  ...meshChecks,
];

/** Milliseconds for each check. All run at the same time. */
const longestMs = 8000;

/** Runs all checks at once; a check that fails or takes too long is a finding itself. Never rejects. */
export const examine = async (
  world: World,
  which: readonly Check[] = checks,
): Promise<readonly Diagnosis[]> => {
  const found = await Promise.all(which.map((check) => one(check, world)));
  return found.flat();
};

const one = async ({ name, look }: Check, world: World): Promise<Diagnosis[]> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<readonly Finding[]>((resolve) => {
    const finding = risk(
      `no result within ${longestMs / 1000} s`,
      'see to the findings beside it, then look again',
    );
    timer = setTimeout(resolve, longestMs, [finding]);
  });
  const findings = await Promise.race([look(world), late]).catch((thrown) => [
    fault(
      `the check itself failed: ${because(thrown)}`,
      'report it with the output of outrigger doctor --json',
    ),
  ]);
  clearTimeout(timer);
  return findings.map((finding) => ({ check: name, ...finding }));
};
