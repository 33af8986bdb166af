import { z } from 'zod';

/** A replication server as the state holds it, by its name. */
export const StoredReplicationServer = z.object({
  version: z.string(),
  enrolledAt: z.iso.datetime(),
  /** Of its certificates. */
  dnsNames: z.array(z.string()),
});
export type StoredReplicationServer = z.infer<typeof StoredReplicationServer>;
