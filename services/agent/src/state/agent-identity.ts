/** Who this agent is: what enrolment left in the state folder. */
import { z } from 'zod';

export const AgentIdentity = z.object({
  schemaVersion: z.literal(1),
  machineId: z.string(),
  name: z.string(),
  managerUrl: z.string(),
  /** Hex, of the DER of the manager's CA. */
  caSha256: z.string(),
  trustDomain: z.string(),
  enrolledAt: z.string(),
  disks: z
    .array(
      z.object({ diskId: z.string(), /** As it was called at enrolment. */ device: z.string(), sizeBytes: z.int() }),
    )
    .min(1),
});
export type AgentIdentity = z.infer<typeof AgentIdentity>;

export interface Credentials {
  readonly privateKeyPem: string;
  readonly certificatePem: string;
  /** The manager's CA: on 1500 the only one that is trusted. */
  readonly caPem: string;
}
