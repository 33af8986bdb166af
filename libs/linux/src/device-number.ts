/**
 * The two encodings of a device number. The kernel's own, seen in trace events, is `major << 20 | minor`; `dev_t` of
 * stat and of ioctls scatters the bits for the sake of old programs. Mixing them up finds the wrong disk in silence,
 * so they are converted here and nowhere else.
 */

/** Userspace's `dev_t`, as `stat` with bigint gives it. */
export type DeviceId = bigint;

export const MINOR_BITS = 20;
const MINOR_LIMIT = 1 << MINOR_BITS;

/** The kernel's encoding. Multiplied, not shifted: a major above 2047 would turn negative. */
export function kernelDeviceNumber(major: number, minor: number): number {
  return major * MINOR_LIMIT + minor;
}

export function deviceIdToKernelNumber(device: DeviceId): number {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & 0xfffff000n);
  const minor = (device & 0xffn) | ((device >> 12n) & 0xffffff00n);
  return kernelDeviceNumber(Number(major), Number(minor));
}

export function kernelNumberMajor(deviceNumber: number): number {
  return Math.floor(deviceNumber / MINOR_LIMIT);
}

export function kernelNumberMinor(deviceNumber: number): number {
  return deviceNumber % MINOR_LIMIT;
}

/** `8:16`, as sysfs and mountinfo write it. */
export function formatDeviceNumber(deviceNumber: number): string {
  return `${kernelNumberMajor(deviceNumber)}:${kernelNumberMinor(deviceNumber)}`;
}

/** Null when `text` is not `major:minor`. */
export function parseDeviceNumber(text: string): number | null {
  const match = /^(\d+):(\d+)$/.exec(text.trim());
  return match === null ? null : kernelDeviceNumber(Number(match[1]), Number(match[2]));
}
