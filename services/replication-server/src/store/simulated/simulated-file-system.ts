/** The simulated file system with what a process needs to work on it. */
import type { StoreFileSystem } from '../store-file-system.ts';
import { SimulatedKernel } from './simulated-kernel.ts';
import { SimulatedMount } from './simulated-mount.ts';

export type { SimulatedKernelOptions as SimulatedFileSystemOptions } from './simulated-kernel.ts';

export class SimulatedFileSystem extends SimulatedKernel {
  /** The view of a new process; that of the process before, if it still lived, is dead from now on. */
  mount(): StoreFileSystem {
    return new SimulatedMount(this, this.beginLife());
  }
}
