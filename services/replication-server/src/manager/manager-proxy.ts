/**
 * The proxy to the manager: as the installation names it, or as the Replication Settings say since.
 *
 * Situation: a wrong proxy in the settings would cut this server off from those who could correct it. Mechanism: a proxy that
 * the manager names is tried first, beside the way in use; only one that leads to the manager is written to the data folder and
 * then taken. While it fails, the way of before stays, and it is tried again, less and less often. Special cases: null from the
 * manager is the installation's own. Whoever starts the server with another `--proxy` than before means that one: what
 * the manager said belonged to the one of before.
 * Failure: a file that cannot be read counts for nothing, and the manager says it again.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { toLmsError } from '@lms/errors';
import type { LmsError } from '@lms/errors';
import { ProxySettings } from '@lms/proxy';
import { BackOff, pause } from '@lms/service';
import type { Logger } from '@lms/telemetry';
import { z } from 'zod';
import { replaceDurably } from '../durable-file.ts';

const RETRY = { firstMilliseconds: 5_000, longestMilliseconds: 300_000 };
/** A way that needs longer for one small answer is none to replicate by. */
const TRIAL_MILLISECONDS = 30_000;

const Stored = z.object({
  schemaVersion: z.literal(1),
  /** Of the installation's own proxy when this was said. */
  installedSha256: z.string(),
  proxy: ProxySettings,
});

export interface ManagerProxyOptions {
  readonly file: string;
  readonly installed: ProxySettings | null;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

export interface ProxyUse {
  /** Resolves when the manager was reached this way, and accepts this server. */
  readonly attempt: (proxy: ProxySettings | null, signal: AbortSignal) => Promise<void>;
  /** Takes this way from now on. */
  readonly take: (proxy: ProxySettings | null) => void;
}

export class ManagerProxy {
  readonly #options: ManagerProxyOptions;
  /** What is in use; null: directly. */
  #present: ProxySettings | null;
  /** What the manager wants. */
  #wanted: ProxySettings | null;
  #problem: LmsError | null = null;
  #changed = Promise.withResolvers<void>();

  constructor(options: ManagerProxyOptions) {
    this.#options = options;
    this.#present = options.installed;
    this.#wanted = options.installed;
  }

  get present(): ProxySettings | null {
    return this.#present;
  }

  /** Why the proxy of the settings is not in use; null: it is, or none is set. */
  get problem(): LmsError | null {
    return this.#problem;
  }

  /** What was in use before this process. */
  async load(): Promise<void> {
    let text: string;
    try {
      text = await readFile(this.#options.file, 'utf8');
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw thrown;
    }
    const stored = parseStored(text);
    if (stored?.installedSha256 !== digestOf(this.#options.installed)) return;
    this.#present = stored.proxy;
    this.#wanted = stored.proxy;
  }

  /** What the manager says; null: as installed. Does not wait: `run` does it. */
  want(proxy: ProxySettings | null): void {
    const wanted = proxy ?? this.#options.installed;
    if (digestOf(wanted) === digestOf(this.#wanted)) return;
    this.#wanted = wanted;
    this.#changed.resolve();
  }

  /** Until the signal. Never rejects. */
  async run(use: ProxyUse, signal: AbortSignal): Promise<void> {
    let backOff = new BackOff(RETRY);
    while (!signal.aborted) {
      const wanted = this.#wanted;
      this.#changed = Promise.withResolvers<void>();
      if (digestOf(wanted) === digestOf(this.#present)) this.#problem = null;
      else await this.#try(wanted, use, signal);
      const waitMilliseconds = this.#problem === null ? null : backOff.failed();
      if (await this.#waitForChange(waitMilliseconds, signal)) backOff = new BackOff(RETRY);
    }
  }

  async #try(wanted: ProxySettings | null, use: ProxyUse, signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    const way = wanted === null ? 'directly' : `by the proxy ${wanted.url}`;
    try {
      await use.attempt(wanted, AbortSignal.any([signal, AbortSignal.timeout(TRIAL_MILLISECONDS)]));
      await this.#store(wanted);
      this.#present = wanted;
      this.#problem = null;
      use.take(wanted);
      logger.info(`the manager is reached ${way} from now on`);
    } catch (thrown) {
      if (signal.aborted) return;
      const error = toLmsError(thrown);
      if (error.message !== this.#problem?.message) {
        const { code, message, action } = error;
        logger.warn({ code, action }, `the way of before stays: the manager is not reached ${way}: ${message}`);
      }
      this.#problem = error;
    }
  }

  async #store(proxy: ProxySettings | null): Promise<void> {
    const { file, installed } = this.#options;
    // Nothing to say is a file that says nothing: `{}` is no `Stored`.
    const content =
      digestOf(proxy) === digestOf(installed) || proxy === null
        ? {}
        : ({ schemaVersion: 1, installedSha256: digestOf(installed), proxy } satisfies z.input<typeof Stored>);
    await replaceDurably(file, `${JSON.stringify(content)}\n`);
  }

  /** True when the manager wants another than it did when this turn began. */
  async #waitForChange(milliseconds: number | null, signal: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const waited = milliseconds === null ? aborted(either) : pause(milliseconds, either).then(() => undefined);
    const changed = await Promise.race([this.#changed.promise.then(() => true), waited.then(() => false)]);
    over.abort();
    return changed;
  }
}

function parseStored(text: string): z.output<typeof Stored> | null {
  try {
    return Stored.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

function digestOf(proxy: ProxySettings | null): string {
  const { url, username, password, noProxy, caPem } = proxy ?? {};
  return createHash('sha256')
    .update(JSON.stringify([url, username, password, noProxy, caPem]))
    .digest('hex');
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  const { promise, resolve } = Promise.withResolvers<void>();
  signal.addEventListener('abort', () => resolve(), { once: true });
  return promise;
}
