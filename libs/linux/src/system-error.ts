/** A failed call into the kernel, in the shape of Node's own system errors, so that `toLmsError` knows its code. */
import { constants } from 'node:os';

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, value]) => [value, name] as const),
);

/** `EBUSY` for 16; `errno 1234` for a number without a name. */
export function errorName(errorNumber: number): string {
  return NAMES.get(errorNumber) ?? `errno ${errorNumber}`;
}

export class SystemError extends Error {
  /** `EBUSY`. */
  readonly code: string;
  readonly errno: number;

  constructor(what: string, errorNumber: number) {
    super(`${what}: ${errorName(errorNumber)}`);
    this.name = 'SystemError';
    this.code = errorName(errorNumber);
    this.errno = errorNumber;
  }
}

/** Whether `thrown` is a system error (ours or Node's) with this name. By its code alone: errors may come from another realm. */
export function isSystemError(thrown: unknown, name: string): boolean {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown && thrown.code === name;
}
