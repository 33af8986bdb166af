// The targets of the Dockerfile that become images.

export const SERVICES = [
  'gateway',
  'registry',
  'stats-ingest',
  'log-ingest',
  'staging-controller',
  'replication-server',
  'router',
] as const;

export const TARGETS = [...SERVICES, 'setup', 'lms', 'nats'] as const;
export type Target = (typeof TARGETS)[number];

export interface Naming {
  /** Host, and folder if there is one; empty: whatever the reader of a name completes it with. */
  readonly registry: string;
  readonly tag: string;
}

export function imageName(target: Target, { registry, tag }: Naming): string {
  return `${registry === '' ? '' : `${registry}/`}live-migration-service/${target}:${tag}`;
}
