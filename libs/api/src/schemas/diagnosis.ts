import { z } from 'zod';
import { Instant, MachineId, Sentence } from './values.ts';

const Word = z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/);

/** Why a machine does not replicate, from what every side knows of it. */
export const Diagnosis = z.object({
  machine: z.object({ id: MachineId, name: z.string() }),
  at: Instant,
  healthy: z.boolean(),
  /** The one to mend first; null: no problem was found. */
  cause: Word.nullable(),
  /** The most likely cause and the next action, in one. */
  sentence: Sentence,
  action: Sentence.nullable(),
  evidence: z.array(
    z.object({
      /** What was looked at. */
      what: z.string(),
      found: z.string(),
      /** By the clock of who says it; null: as things are now. */
      at: Instant.nullable(),
      from: z.enum(['manager', 'registry', 'staging-controller', 'statistics', 'agent', 'replication server']),
    }),
  ),
  /** That hold too, in the order to mend them. */
  otherCauses: z.array(z.object({ cause: Word, sentence: Sentence, action: Sentence })),
});
export type Diagnosis = z.infer<typeof Diagnosis>;

export const DiagnosisQuery = z.strictObject({
  /** `false`: the agent is not asked to check 1500 anew, where that would tell more. */
  check: z.enum(['true', 'false']).default('true'),
});
export type DiagnosisQuery = z.input<typeof DiagnosisQuery>;
