/**
 * The packages that machines can load from here: the manager's own list, and where the bytes of each are.
 *
 * Names index the list and are never paths. Downloads at a time are bounded: anybody may ask, and each one that reads slowly
 * holds a file or a connection to the bucket.
 */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { readPackageIndex, type AgentPackage } from '@lms/agent-package';
import { LmsError } from '@lms/errors';
import type { ByteRange } from '../http/byte-range.ts';
import { Bucket, type BucketConfiguration } from './bucket.ts';

export interface PackagesConfiguration {
  /** Holds `index.json`, and the packages themselves where there is no bucket. */
  readonly folder: string;
  /** Called before the list is read; where packages are made when they are first wanted. */
  readonly prepare?: (signal: AbortSignal) => Promise<void>;
  readonly bucket?: BucketConfiguration;
}

/** Each some megabytes a second: more than a gateway's network carries. */
export const MAXIMUM_DOWNLOADS = 64;

export type Delivery =
  { readonly kind: 'stream'; readonly stream: Readable } | { readonly kind: 'redirect'; readonly url: string };

export class PackageStore {
  readonly #configuration: PackagesConfiguration | null;
  readonly #bucket: Bucket | null;
  #preparing: Promise<void> | null = null;
  #downloads = 0;

  /** Null: this manager has none, and its list is empty. */
  constructor(configuration: PackagesConfiguration | null) {
    this.#configuration = configuration;
    this.#bucket = configuration?.bucket === undefined ? null : new Bucket(configuration.bucket);
  }

  async list(signal: AbortSignal): Promise<readonly AgentPackage[]> {
    if (this.#configuration === null) return [];
    await this.#prepared(this.#configuration, signal);
    return readPackageIndex(this.#configuration.folder);
  }

  async find(name: string, signal: AbortSignal): Promise<AgentPackage> {
    const packages = await this.list(signal);
    const found = packages.find((candidate) => candidate.name === name);
    if (found !== undefined) return found;
    const names = packages.map((candidate) => candidate.name).join(', ');
    throw new LmsError('NOT_FOUND', `there is no agent package of that name`, {
      field: 'name',
      action: names === '' ? 'this manager has none: make them with `make agent-package`' : `there are: ${names}`,
    });
  }

  async open(found: AgentPackage, range: ByteRange | null, signal: AbortSignal): Promise<Delivery> {
    if (this.#bucket?.delivery === 'redirect') {
      return { kind: 'redirect', url: await this.#bucket.presignedUrl(found.name) };
    }
    if (this.#downloads >= MAXIMUM_DOWNLOADS) {
      throw new LmsError('RESOURCE_EXHAUSTED', `${MAXIMUM_DOWNLOADS} downloads are under way`, {
        action: 'try again in a minute',
      });
    }
    this.#downloads++;
    try {
      const stream = await this.#read(found, range, signal);
      stream.once('close', () => this.#downloads--);
      return { kind: 'stream', stream };
    } catch (thrown) {
      this.#downloads--;
      throw thrown;
    }
  }

  async #read(found: AgentPackage, range: ByteRange | null, signal: AbortSignal): Promise<Readable> {
    const { offsetBytes, lengthBytes } = range ?? { offsetBytes: 0, lengthBytes: found.sizeBytes };
    const last = offsetBytes + lengthBytes - 1;
    if (this.#bucket !== null) {
      const part = range === null ? null : `bytes=${offsetBytes}-${last}`;
      return Readable.fromWeb(await this.#bucket.read(found.name, part, lengthBytes, signal), { signal });
    }
    const path = join(this.#configuration?.folder ?? '', found.name);
    const size = (await stat(path).catch(() => null))?.size ?? null;
    if (size === found.sizeBytes) return createReadStream(path, { start: offsetBytes, end: last, signal });
    const what = size === null ? 'is not there' : `has ${size} bytes, and not ${found.sizeBytes} as the list says`;
    throw new LmsError('DATA_LOSS', `the agent package ${found.name} ${what}`, {
      action: 'make the packages again: `make agent-package`',
    });
  }

  /** Once for all who wait; again after it failed. The first who asks may go: the others still want it. */
  async #prepared({ prepare }: PackagesConfiguration, signal: AbortSignal): Promise<void> {
    if (prepare === undefined) return;
    this.#preparing ??= prepare(signal).catch((thrown: unknown) => {
      this.#preparing = null;
      throw thrown;
    });
    await this.#preparing;
  }
}
