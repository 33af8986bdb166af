import { z } from 'zod';
import {
  DEFAULT_PAGE_SIZE,
  MAXIMUM_INVENTORY_BYTES,
  MAXIMUM_PAGE_SIZE,
  MAXIMUM_PEM_LENGTH,
  MAXIMUM_SENTENCE_LENGTH,
  MAXIMUM_WAIT_SECONDS,
} from './limits.ts';

/** Whole numbers that JSON carries exactly: up to 2^53 - 1 (8 PiB). */
export const Count = z.int().nonnegative();
/** RFC 3339 in UTC, any precision. */
export const Instant = z.iso.datetime().max(40);
export const Sentence = z.string().max(MAXIMUM_SENTENCE_LENGTH);
export const Pem = z.string().min(1).max(MAXIMUM_PEM_LENGTH);
export const Sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits');
export const Version = z.string().min(1).max(64);

const MACHINE_ID_FORM = /^m-[0-9a-f]{20}$/;
/** Fits a DNS label (SNI) and a NATS subject token. */
export const MachineId = z
  .string()
  .regex(MACHINE_ID_FORM, 'must be the id of a machine, such as m-0123456789abcdef0123');
/** Never of the form of an id, so that ID-OR-NAME means one machine. */
export const MachineName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be 1 to 63 letters, digits, dots, dashes or underscores')
  .refine((name) => !MACHINE_ID_FORM.test(name), 'must not look like the id of a machine');
export const IdOrName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be the id or the name of a machine');
export const ReplicationServerName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a DNS label in lower case');
export const DiskId = z
  .string()
  .regex(/^[A-Za-z0-9._:-]{1,128}$/, 'must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -');
export const Device = z.string().min(1).max(256);
export const OperationId = z.string().regex(/^[0-9a-f-]{8,64}$/, 'must be the id of an operation');
export const TokenId = z.string().regex(/^[0-9a-f-]{8,64}$/, 'must be the id of a token');
/** In a path, so it comes as text. */
export const SequenceParameter = z.coerce.number<string | number>().int().positive().max(Number.MAX_SAFE_INTEGER);
export const Sequence = z.int().positive();

/** What the agent found out about its machine, for people and for launches. */
export const Inventory = z
  .record(z.string().max(128), z.json())
  .refine((value) => JSON.stringify(value).length <= MAXIMUM_INVENTORY_BYTES, 'is longer than 64 KiB');
export type Inventory = z.infer<typeof Inventory>;

export const PageQuery = z.strictObject({
  pageSize: z.coerce.number<string | number>().int().min(1).max(MAXIMUM_PAGE_SIZE).default(DEFAULT_PAGE_SIZE),
  pageToken: z.string().max(512).optional(),
});
export type PageQuery = z.input<typeof PageQuery>;

export const WaitSeconds = z.coerce.number<string | number>().min(0).max(MAXIMUM_WAIT_SECONDS).default(0);

export const Empty = z.object({});
