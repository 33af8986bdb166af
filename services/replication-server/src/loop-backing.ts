import { closeSync, openSync } from 'node:fs';
import { LmsError } from '@lms/errors';
import { deviceIdToKernelNumber, loopBacking } from '@lms/linux';

/**
 * Kernel's number of the device that holds the backing file of `/dev/<name>`. The ioctl knows it also when the file's path
 * means nothing here (another mount namespace, a removed file).
 */
export function loopBackingDevice(name: string): number {
  try {
    const file = openSync(`/dev/${name}`, 'r');
    try {
      return deviceIdToKernelNumber(loopBacking(file, name).device);
    } finally {
      closeSync(file);
    }
  } catch (thrown) {
    throw new LmsError('FAILED_PRECONDITION', `Cannot find out what /dev/${name} below the data folder stands on`, {
      action: 'Let this process read that device, or put the data folder on a plain disk.',
      cause: thrown,
    });
  }
}
