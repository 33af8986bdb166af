/**
 * Notices every write to a set of files, also one that was undone before anybody looked (`echo 0 > x; echo 1 > x`).
 * Node's own `fs.watch` hears of it some time later, by the event loop; a proof needs the answer now, so the queue of
 * inotify is read when asked.
 */
import { closeSync } from 'node:fs';
import { declareSystemCall } from './c-library.ts';
import { readAvailable } from './nonblocking-read.ts';

const initialize = declareSystemCall('int inotify_init1(int flags)');
const addWatch = declareSystemCall('int inotify_add_watch(int fd, const char *path, uint32_t mask)');

const NONBLOCK_CLOSE_ON_EXEC = 0o4000 | 0o2000000;
/** IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF. */
const MASK = 0x2 | 0x400 | 0x800;
/** Set by the kernel when events had to be dropped. */
const QUEUE_OVERFLOW = 0x4000;
const HEADER_BYTES = 16;

export interface ModificationWatch {
  /** Paths written to since the last call, each once; null when the kernel could not keep all of them. */
  takeModified(): readonly string[] | null;
  close(): void;
}

export function watchModifications(paths: readonly string[]): ModificationWatch {
  const fileDescriptor = initialize.run(
    'inotify_init1 (limit: sysctl fs.inotify.max_user_instances)',
    NONBLOCK_CLOSE_ON_EXEC,
  );
  const pathOfWatch = new Map<number, string>();
  try {
    for (const path of paths) {
      pathOfWatch.set(addWatch.run(`watching ${path}`, fileDescriptor, path, MASK), path);
    }
  } catch (thrown) {
    closeSync(fileDescriptor);
    throw thrown;
  }
  const buffer = new Uint8Array(16_384);
  const view = new DataView(buffer.buffer);
  return {
    takeModified() {
      const modified = new Set<string>();
      let overflow = false;
      for (;;) {
        const length = readAvailable(fileDescriptor, buffer, 'inotify');
        if (length === null || length === 0) break;
        for (let position = 0; position < length;) {
          if ((view.getUint32(position + 4, true) & QUEUE_OVERFLOW) !== 0) overflow = true;
          const path = pathOfWatch.get(view.getInt32(position, true));
          if (path !== undefined) modified.add(path);
          position += HEADER_BYTES + view.getUint32(position + 12, true);
        }
      }
      return overflow ? null : [...modified];
    },
    close() {
      closeSync(fileDescriptor);
    },
  };
}
