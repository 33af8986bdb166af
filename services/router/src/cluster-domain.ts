/** The domain of the cluster that this pod is in, such as `cluster.local`: what its resolver would complete names with. */
import { readFileSync } from 'node:fs';

const DEFAULT_DOMAIN = 'cluster.local';

export function readClusterDomain(path = '/etc/resolv.conf'): string {
  try {
    return clusterDomainOf(readFileSync(path, 'utf8'));
  } catch {
    return DEFAULT_DOMAIN;
  }
}

/** A kubelet writes `search NAMESPACE.svc.DOMAIN svc.DOMAIN DOMAIN …`. */
export function clusterDomainOf(resolverConfiguration: string): string {
  return /^search\s(?:.*\s)?svc\.(\S+)/m.exec(resolverConfiguration)?.[1] ?? DEFAULT_DOMAIN;
}
