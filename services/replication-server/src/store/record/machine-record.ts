/** `machine.json`: the form of the store and the machine's disks, in the order of their index. */
import { z } from 'zod';

export const MACHINE_RECORD = 'machine.json';

export const storedDiskSchema = z.object({
  /** Names the disk's files for ever; never given to another disk. */
  slot: z.int().nonnegative(),
  diskId: z.string(),
  device: z.string(),
  sizeBytes: z.int().positive(),
});

export const machineRecordSchema = z.object({
  schemaVersion: z.literal(1),
  form: z.enum(['reflink', 'journal']),
  nextSlot: z.int().nonnegative(),
  disks: z.array(storedDiskSchema),
});

export type StoredDisk = z.infer<typeof storedDiskSchema>;
export type MachineRecord = z.infer<typeof machineRecordSchema>;
