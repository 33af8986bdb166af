/**
 * One map of a running HAProxy, brought to what is wanted: by what differs, so that ten thousand routes cost something
 * once, and a change costs one line. Each entry is replaced as a whole, and no session notices.
 */
import { LmsError } from '@lms/errors';
import type { RuntimeApi } from './runtime-api.ts';

/** Commands and payloads must fit into HAProxy's buffer of 16 KiB. */
const BATCH_BYTES_MAX = 8_192;

export class HaproxyMap {
  readonly #api: RuntimeApi;
  /** As HAProxy's configuration calls it. */
  readonly #path: string;
  /** What it holds; null: not known. */
  #held: Map<string, string> | null = null;

  constructor(api: RuntimeApi, path: string) {
    this.#api = api;
    this.#path = path;
  }

  /** HAProxy was started anew, or refused a command: look before the next change. */
  forget(): void {
    this.#held = null;
  }

  /** As it is, whoever made it so. */
  async read(): Promise<ReadonlyMap<string, string>> {
    const answer = await this.#api(`show map ${this.#path}`);
    const entries = answer.split('\n').flatMap((line) => {
      const [reference, key, value] = line.split(' ');
      return reference?.startsWith('0x') === true && key !== undefined && value !== undefined
        ? [[key, value] as const]
        : [];
    });
    if (entries.length === 0 && answer !== '') throw refusal('show map', answer);
    return new Map(entries);
  }

  async apply(wanted: ReadonlyMap<string, string>): Promise<void> {
    try {
      this.#held ??= new Map(await this.read());
      const held = this.#held;
      const removed = [...held.keys()].filter((key) => !wanted.has(key));
      const changed = [...wanted].filter(([key, value]) => held.has(key) && held.get(key) !== value);
      const added = [...wanted].filter(([key]) => !held.has(key));
      for (const batch of batches(removed.map((key) => `del map ${this.#path} ${key}`)))
        await this.#run(batch.join(';'));
      for (const batch of batches(changed.map(([key, value]) => `set map ${this.#path} ${key} ${value}`))) {
        await this.#run(batch.join(';'));
      }
      for (const batch of batches(added.map(([key, value]) => `${key} ${value}`))) {
        await this.#run(`add map ${this.#path} <<\n${batch.join('\n')}\n`);
      }
      this.#held = new Map(wanted);
    } catch (thrown) {
      this.forget();
      throw thrown;
    }
  }

  /** These commands say something only when they fail. */
  async #run(command: string): Promise<void> {
    const answer = await this.#api(command);
    if (answer !== '') throw refusal(command.slice(0, 200), answer);
  }
}

function* batches(lines: readonly string[]): Generator<readonly string[]> {
  let batch: string[] = [];
  let bytes = 0;
  for (const line of lines) {
    if (bytes + line.length + 1 > BATCH_BYTES_MAX && batch.length > 0) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(line);
    bytes += line.length + 1;
  }
  if (batch.length > 0) yield batch;
}

function refusal(command: string, answer: string): LmsError {
  return new LmsError('INTERNAL', `HAProxy refused ${JSON.stringify(command)}: ${answer.slice(0, 500)}`);
}
