/**
 * Names of the clouds that a service of this kind may have to reach, and whether this one does. Our drivers keep replicas on a
 * folder or on volumes of a cluster: nobody here calls a cloud's API, and a firewall need not let anybody there.
 */
import type { Driver } from './drivers.ts';
import { MANAGER_PORT } from './ports.ts';

export const PROVIDERS = ['aws', 'azure', 'gcp', 'ibm'] as const;
export type Provider = (typeof PROVIDERS)[number];

export interface ProviderEndpoint {
  readonly provider: Provider;
  /** `{region}`, `{account}`: what stands there depends on who asks. */
  readonly host: string;
  readonly port: number;
  /** Who would connect to it. */
  readonly from: 'agent' | 'replication-server';
  readonly purpose: string;
  /** Empty: not needed by any. */
  readonly neededBy: readonly Driver[];
  /** The one circumstance in which it is needed after all; null: none. */
  readonly neededWhen: string | null;
  /** Why it is not needed. */
  readonly because: string;
  /** Where the fact stands. */
  readonly source: string;
}

const VOLUMES = 'replicas are folders of a host or volumes of a cluster; whoever makes those volumes calls the cloud';
const OWN_DOWNLOAD = 'the manager itself gives agents out';
const AGENTS_IN_A_BUCKET = 'agent packages are kept in a bucket there';

export const PROVIDER_ENDPOINTS: readonly ProviderEndpoint[] = [
  staging(
    'aws',
    'ec2.{region}.amazonaws.com',
    'makes and attaches disks',
    'docs.aws.amazon.com/general/latest/gr/ec2-service.html',
  ),
  download('aws', 's3.amazonaws.com', 'docs.aws.amazon.com/general/latest/gr/s3.html'),
  download('aws', 's3.{region}.amazonaws.com', 'docs.aws.amazon.com/general/latest/gr/s3.html'),
  staging(
    'azure',
    'login.microsoftonline.com',
    'tokens for its API',
    'learn.microsoft.com/entra/identity-platform/authentication-national-cloud',
  ),
  staging('azure', 'management.azure.com', 'makes and attaches disks', 'learn.microsoft.com/rest/api/azure'),
  staging(
    'azure',
    '{account}.blob.core.windows.net',
    'writes disks as page blobs',
    'learn.microsoft.com/azure/storage/common/storage-account-overview',
  ),
  staging(
    'gcp',
    'oauth2.googleapis.com',
    'tokens for its API',
    'developers.google.com/identity/protocols/oauth2/service-account',
  ),
  staging(
    'gcp',
    'compute.googleapis.com',
    'makes and attaches disks',
    'cloud.google.com/compute/docs/reference/rest/v1',
  ),
  download('gcp', 'storage.googleapis.com', 'cloud.google.com/storage/docs/request-endpoints'),
  staging('ibm', 'iam.cloud.ibm.com', 'tokens for its API', 'cloud.ibm.com/apidocs/iam-identity-token-api'),
  staging('ibm', '{region}.iaas.cloud.ibm.com', 'makes and attaches disks', 'cloud.ibm.com/apidocs/vpc'),
  download(
    'ibm',
    's3.{region}.cloud-object-storage.appdomain.cloud',
    'cloud.ibm.com/docs/cloud-object-storage?topic=cloud-object-storage-endpoints',
  ),
];

function staging(provider: Provider, host: string, purpose: string, source: string): ProviderEndpoint {
  const from = 'replication-server';
  return {
    provider,
    host,
    port: MANAGER_PORT,
    from,
    purpose,
    neededBy: [],
    neededWhen: null,
    because: VOLUMES,
    source,
  };
}

function download(provider: Provider, host: string, source: string): ProviderEndpoint {
  const [from, purpose] = ['agent', 'download of the agent'] as const;
  const because = OWN_DOWNLOAD;
  return {
    provider,
    host,
    port: MANAGER_PORT,
    from,
    purpose,
    neededBy: [],
    neededWhen: AGENTS_IN_A_BUCKET,
    because,
    source,
  };
}
