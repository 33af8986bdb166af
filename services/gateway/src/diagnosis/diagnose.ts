/** Facts → which causes hold, in the order in which to mend them. Pure. */
import type { Diagnosis } from '@lms/api';
import { CAUSES, type Cause } from './causes.ts';
import { evidenceOf } from './evidence.ts';
import type { DiagnosisFacts } from './facts.ts';

const NO_PROBLEM = 'no problem found';

/** What is told only when nothing else explains it. */
const LAST_RESORT = 'OTHER';

export function diagnose(facts: DiagnosisFacts): Diagnosis {
  const explained = new Set<Cause['explains']>();
  const all = CAUSES.flatMap(({ code, explains, find }) => {
    const known = explained.has('everything') || (explains !== undefined && explained.has(explains));
    const finding = known ? null : find(facts);
    if (finding === null) return [];
    explained.add(explains);
    return [{ cause: code, ...finding }];
  });
  const held = all.length > 1 ? all.filter(({ cause }) => cause !== LAST_RESORT) : all;
  const told = held.map(({ cause, what, action }) => ({
    cause,
    sentence: `${capitalized(what)}; ${action}.`,
    action: `${capitalized(action)}.`,
  }));
  const [first, ...otherCauses] = told;
  return {
    machine: facts.machine,
    at: facts.now.toISOString(),
    healthy: first === undefined,
    cause: first?.cause ?? null,
    sentence: first?.sentence ?? NO_PROBLEM,
    action: first?.action ?? null,
    evidence: [...evidenceOf(facts)],
    otherCauses,
  };
}

function capitalized(clause: string): string {
  return clause.charAt(0).toUpperCase() + clause.slice(1);
}
