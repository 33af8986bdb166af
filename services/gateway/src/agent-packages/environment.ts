/** Where agent packages come from, by environment. */
import { LmsError } from '@lms/errors';
import { readConfiguration, type Environment } from '@lms/service';
import { z } from 'zod';
import type { PackagesConfiguration } from './package-store.ts';

export const PACKAGES_ENVIRONMENT = {
  /** Folder with `index.json`, and the packages where there is no bucket. */
  LMS_AGENT_PACKAGES: z.string().optional(),
  LMS_AGENT_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'is no name of a bucket')
    .optional(),
  LMS_AGENT_BUCKET_ENDPOINT: z.url({ protocol: /^https?$/ }).optional(),
  LMS_AGENT_BUCKET_REGION: z.string().default('us-east-1'),
  LMS_AGENT_BUCKET_PREFIX: z
    .string()
    .regex(/^(?:[\w.-]+\/)*$/, 'must be empty or end in a slash')
    .default(''),
  LMS_AGENT_BUCKET_CREDENTIALS: z.string().optional(),
  LMS_AGENT_BUCKET_DELIVERY: z.enum(['redirect', 'stream']).default('redirect'),
};

/** Null: there are none. For who has no other configuration of a gateway. */
export function readPackagesConfiguration(environment: Environment): PackagesConfiguration | null {
  return packagesConfiguration(readConfiguration(z.object(PACKAGES_ENVIRONMENT), environment)).agentPackages ?? null;
}

type Configured = z.output<z.ZodObject<typeof PACKAGES_ENVIRONMENT>>;

export function packagesConfiguration(configured: Configured): { readonly agentPackages?: PackagesConfiguration } {
  const { LMS_AGENT_PACKAGES: folder, LMS_AGENT_BUCKET: bucket, LMS_AGENT_BUCKET_REGION: region } = configured;
  if (folder === undefined) {
    if (bucket === undefined) return {};
    throw new LmsError('INVALID_ARGUMENT', 'LMS_AGENT_BUCKET: the bucket is not believed for what is in it', {
      field: 'LMS_AGENT_PACKAGES',
      action: "Name the folder of the manager's own list (index.json) in LMS_AGENT_PACKAGES.",
    });
  }
  if (bucket === undefined) return { agentPackages: { folder } };
  return {
    agentPackages: {
      folder,
      bucket: {
        bucket,
        region,
        endpoint: configured.LMS_AGENT_BUCKET_ENDPOINT ?? `https://s3.${region}.amazonaws.com`,
        prefix: configured.LMS_AGENT_BUCKET_PREFIX,
        credentialsFolder: configured.LMS_AGENT_BUCKET_CREDENTIALS ?? null,
        delivery: configured.LMS_AGENT_BUCKET_DELIVERY,
      },
    },
  };
}
