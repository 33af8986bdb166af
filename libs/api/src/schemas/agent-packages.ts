/** The agent as files that machines load: see `lms token create`. */
import { z } from 'zod';
import { Sha256Hex } from './values.ts';

export const AgentPackagesAnswer = z.object({
  packages: z.array(
    z.object({
      name: z.string(),
      version: z.string(),
      /** `linux-x64`, `linux-arm64`. */
      platform: z.string(),
      sizeBytes: z.int(),
      sha256: Sha256Hex,
    }),
  ),
});
export type AgentPackagesAnswer = z.infer<typeof AgentPackagesAnswer>;
