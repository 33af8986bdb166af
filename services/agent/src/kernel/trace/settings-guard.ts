/**
 * Notices that somebody changed the instance (R4).
 *
 * Situation: root can switch tracing off, change a filter, clear or resize a ring, and set it back before anybody looks:
 * events are gone, and every setting is as it was. Mechanism: two nets. inotify hears of every write to a control
 * file, whether it was undone or not; and the settings themselves are read and compared.
 * Special cases: `snapshot` and the ring sizes exist per processor; files that this kernel does not have are left out.
 * Failure: any doubt is a difference, and a difference is kept: a changed instance does not become trustworthy again.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { watchModifications, type ModificationWatch } from '@lms/linux';
import { ControlFile } from '../control-file.ts';
import { EVENTS, UNTOUCHED_FILES, instanceIdentity, type Setting } from './instance-folder.ts';

const WATCHED_FILES = [
  'tracing_on',
  'tracing_cpumask',
  'current_tracer',
  'trace_options',
  'options/markers',
  'options/overwrite',
  'buffer_size_kb',
  'buffer_subbuf_size_kb',
  'trace',
  'snapshot',
  'set_event',
  'set_event_pid',
  'set_event_notrace_pid',
  'events/enable',
  'events/block/enable',
  'events/block/filter',
  ...EVENTS.flatMap((event) => ['enable', 'filter', 'trigger'].map((file) => `events/block/${event}/${file}`)),
];
const WATCHED_FILES_PER_PROCESSOR = ['trace', 'buffer_size_kb', 'snapshot'];
const ONLINE_PROCESSORS = '/sys/devices/system/cpu/online';

interface Expectation {
  readonly file: ControlFile;
  readonly content: string;
}

export class SettingsGuard {
  readonly #folder: string;
  readonly #identity: bigint;
  readonly #expectations: Expectation[] = [];
  readonly #watch: ModificationWatch;
  #found: string | null = null;

  /** From here on every change is noticed. The caller has made sure that the settings are right now. */
  constructor(folder: string, settings: readonly Setting[], processors: readonly number[]) {
    this.#folder = folder;
    this.#identity = instanceIdentity(folder);
    const watched = [
      ...WATCHED_FILES,
      ...processors.flatMap((processor) =>
        WATCHED_FILES_PER_PROCESSOR.map((file) => `per_cpu/cpu${processor}/${file}`),
      ),
    ];
    // The files are opened before they are watched: an open file keeps the inode that the watch is on.
    for (const { file, content, atLeast } of settings) this.#expect(join(folder, file), atLeast ? null : content);
    for (const file of UNTOUCHED_FILES) this.#expect(join(folder, file), null);
    this.#expect(ONLINE_PROCESSORS, null);
    this.#watch = watchModifications(watched.map((file) => join(folder, file)).filter((path) => existsSync(path)));
  }

  /** In words, what changed since the start; null when nothing did. */
  difference(): string | null {
    this.#found ??= this.#findModification() ?? this.#findContent() ?? this.#findIdentity();
    return this.#found;
  }

  close(): void {
    this.#watch.close();
    for (const { file } of this.#expectations) file.close();
  }

  #expect(path: string, content: string | null): void {
    const file = new ControlFile(path);
    this.#expectations.push({ file, content: content ?? file.read().trim() });
  }

  #findModification(): string | null {
    const modified = this.#watch.takeModified();
    if (modified === null) return 'more was written to the trace instance than could be counted';
    return modified.length === 0 ? null : `somebody wrote to ${modified.join(' and ')}`;
  }

  #findContent(): string | null {
    for (const { file, content } of this.#expectations) {
      const now = file.read().trim();
      if (now !== content) return `${file.path} is "${now}", not "${content}"`;
    }
    return null;
  }

  #findIdentity(): string | null {
    try {
      if (instanceIdentity(this.#folder) === this.#identity) return null;
      return `${this.#folder} is another trace instance now`;
    } catch {
      return `${this.#folder} is gone`;
    }
  }
}
