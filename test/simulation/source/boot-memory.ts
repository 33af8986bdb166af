/** Memory that outlives the agent but not the boot: a tmpfs folder. A kill in the middle of a write leaves a prefix of it. */
import type { RuntimeMemory } from '../../../services/agent/src/core/index.ts';
import type { SimulatedProcess } from '../process.ts';
import type { Random } from '../time/random.ts';

export class BootMemory {
  readonly #files = new Map<string, Uint8Array>();

  /** As one process of the agent sees it. */
  open(process: SimulatedProcess, random: Random): RuntimeMemory {
    const files = this.#files;
    return {
      read: (name) => process.step('memory.read', () => files.get(name)?.slice() ?? null),
      replace: (name, data) =>
        process.step('memory.replace', (torn) => {
          if (torn && random.chance(0.5)) return;
          files.set(name, data.slice());
        }),
      allocate: (name, sizeBytes) =>
        process.step('memory.allocate', (torn) => {
          if (torn && random.chance(0.5)) return;
          files.set(name, new Uint8Array(sizeBytes));
        }),
      writeAt: (name, offsetBytes, data) =>
        process.step('memory.writeAt', (torn) => {
          const file = files.get(name);
          if (file === undefined) throw new RangeError(`no boot-lived file ${name}`);
          if (offsetBytes + data.length > file.length) throw new RangeError(`write beyond the end of ${name}`);
          file.set(torn ? data.subarray(0, random.below(data.length + 1)) : data, offsetBytes);
        }),
    };
  }
}
