/**
 * The C library, by FFI (ADR 0002). Node has no call for freezing, affinity, I/O classes, locks or holes, and starting
 * a program for each is not possible where it is needed most: between freeze and thaw (R17).
 *
 * Arguments are numbers, strings and byte arrays; a byte array is passed by its address, so a view on a
 * `WebAssembly.Memory` is read and written in place. Variadic functions (`ioctl`) are declared with the arguments that
 * we pass: on the Linux ABIs that we support, integers and pointers travel the same way in both.
 */
import koffi from 'koffi';
import { SystemError } from './system-error.ts';

type Argument = number | bigint | string | Uint8Array | null;
type NativeFunction = ((...values: Argument[]) => number) & {
  async(...values: [...Argument[], (error: Error | null, result: number) => void]): void;
};

/** Symbols of the process itself: Node is linked to the C library that this machine has. */
const library = koffi.load(null);

/** A function of the C library that returns -1 and sets errno when it fails. */
export interface SystemCall {
  /** The result; throws a `SystemError` when it is -1. `what` names call and object: `FIFREEZE of /srv`. */
  run(what: string, ...values: Argument[]): number;
  /** The result, or the negated error number. For hot paths, where an exception for EAGAIN costs too much. */
  attempt(...values: Argument[]): number;
  /** As `run`, on a thread of the pool, for calls that may block. */
  runAsync(what: string, ...values: Argument[]): Promise<number>;
}

/** `declaration` in C, with koffi's names of types: `int syncfs(int fd)`. */
export function declareSystemCall(declaration: string): SystemCall {
  const native = library.func(declaration) as unknown as NativeFunction;
  return {
    run(what, ...values) {
      const result = native(...values);
      if (result === -1) throw new SystemError(what, koffi.errno());
      return result;
    },
    attempt(...values) {
      const result = native(...values);
      return result === -1 ? -koffi.errno() : result;
    },
    runAsync(what, ...values) {
      return new Promise((resolve, reject) => {
        native.async(...values, (error, result) => {
          if (error !== null) reject(error);
          else if (result === -1) reject(new SystemError(what, koffi.errno()));
          else resolve(result);
        });
      });
    },
  };
}
