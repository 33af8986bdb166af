import { z } from 'zod';
import { Instant } from './values.ts';
import { LogSource } from './words.ts';

export const LogsQuery = z.strictObject({
  source: LogSource.optional(),
  /** A machine's id, or a replication server's name. */
  id: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,63}$/, 'must be the id of a machine or the name of a replication server')
    .optional(),
  limit: z.coerce.number<string | number>().int().min(1).max(1_000).default(100),
  pageToken: z
    .string()
    .regex(/^\d{1,20}$/)
    .optional(),
});
export type LogsQuery = z.input<typeof LogsQuery>;

/** The newest that match, in the order of their storing; `nextPageToken` leads to older ones. */
export const LogsAnswer = z.object({
  records: z.array(
    z.object({
      source: z.string(),
      id: z.string(),
      at: Instant,
      level: z.string(),
      message: z.string(),
      attributes: z.record(z.string(), z.json()).nullable(),
    }),
  ),
  nextPageToken: z.string().nullable(),
});
export type LogsAnswer = z.infer<typeof LogsAnswer>;
