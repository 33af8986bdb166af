/** Which addresses of its replication server a machine is told, as its settings name them. Pure. */
import { BLOCK_STREAM_PORT } from '@lms/network';
import { BlockStreamUse, type BlockStreamHost, type BlockStreamSettings } from '@lms/proto';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What the installation found. The same address may be both: on a host there is often one. */
export interface FoundWays {
  readonly public: Endpoint | null;
  readonly private: Endpoint | null;
  /** What to try first. */
  readonly prefer: 'public' | 'private';
}

/** Without anything set. */
export const AS_FOUND: BlockStreamSettings = { use: BlockStreamUse.ANY, public: undefined, private: undefined };

/** In the order to try; empty: there is none (yet). */
export function namedWays(found: FoundWays, settings: BlockStreamSettings = AS_FOUND): readonly Endpoint[] {
  return distinct(namedAddresses(found, settings).map(({ host, port }) => ({ host, port })));
}

export interface NamedAddress extends Endpoint {
  readonly kind: 'public' | 'private';
}

/** The same, each with its kind; an address that is both comes twice. */
export function namedAddresses(found: FoundWays, settings: BlockStreamSettings = AS_FOUND): readonly NamedAddress[] {
  const address = {
    public: overridden(found.public, settings.public, found.private),
    private: overridden(found.private, settings.private, found.public),
  };
  return kindsOf(found, settings).flatMap((kind) => {
    const endpoint = address[kind];
    return endpoint === null ? [] : [{ kind, ...endpoint }];
  });
}

/** Those of `before` that are not among `after`. */
export function withdrawnWays(before: readonly Endpoint[], after: readonly Endpoint[]): readonly Endpoint[] {
  return before.filter((endpoint) => !after.some((other) => isSame(endpoint, other)));
}

/** Each once, the first wins. */
export function distinct(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return endpoints.filter((endpoint, index) => endpoints.findIndex((other) => isSame(endpoint, other)) === index);
}

export function textOf({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function kindsOf(found: FoundWays, { use }: BlockStreamSettings): readonly ('public' | 'private')[] {
  if (use === BlockStreamUse.PUBLIC) return ['public'];
  if (use === BlockStreamUse.PRIVATE) return ['private'];
  return found.prefer === 'public' ? ['public', 'private'] : ['private', 'public'];
}

/** Without a port of its own it has that of what was found; a node port is the same on every address of the node. */
function overridden(found: Endpoint | null, set: BlockStreamHost | undefined, other: Endpoint | null): Endpoint | null {
  if (set === undefined) return found;
  return { host: set.host, port: set.port || (found?.port ?? other?.port ?? BLOCK_STREAM_PORT) };
}

function isSame(one: Endpoint, other: Endpoint): boolean {
  return one.host === other.host && one.port === other.port;
}
