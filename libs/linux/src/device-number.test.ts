import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  deviceIdToKernelNumber,
  formatDeviceNumber,
  kernelDeviceNumber,
  kernelNumberMajor,
  kernelNumberMinor,
  parseDeviceNumber,
} from './device-number.ts';

/** glibc's `makedev`, as its header defines it. */
function makeDeviceId(major: bigint, minor: bigint): bigint {
  return ((major & 0xfffn) << 8n) | ((major & 0xfffff000n) << 32n) | (minor & 0xffn) | ((minor & 0xffffff00n) << 12n);
}

test('major and minor survive every encoding, whatever their size', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4095 }), fc.integer({ min: 0, max: 1_048_575 }), (major, minor) => {
      const number = deviceIdToKernelNumber(makeDeviceId(BigInt(major), BigInt(minor)));
      expect(number).toBe(kernelDeviceNumber(major, minor));
      expect([kernelNumberMajor(number), kernelNumberMinor(number)]).toEqual([major, minor]);
      expect(parseDeviceNumber(formatDeviceNumber(number))).toBe(number);
    }),
  );
});

test('a partition of an extended minor is not mistaken for another device', () => {
  expect(kernelDeviceNumber(259, 1)).toBe((259 << 20) | 1);
  expect(deviceIdToKernelNumber(makeDeviceId(259n, 300n))).toBe(kernelDeviceNumber(259, 300));
});

test('text that is no device number is refused', () => {
  expect(parseDeviceNumber('8')).toBeNull();
  expect(parseDeviceNumber('8:1:2')).toBeNull();
});
