/** The real kernel behind the ports of the agent's core (`../core/ports.ts`). */
export { inspectDevice, openSourceDisks, openUnidentifiedDisks } from './disk/open-source-disks.ts';
export type { KnownDisk } from './disk/open-source-disks.ts';
export type { OpenSourceDisk } from './disk/source-disk.ts';
export { openTraceInstance } from './trace/trace-instance.ts';
export type { TraceInstanceOptions } from './trace/trace-instance.ts';
export { removeTraceInstance, traceInstanceNames } from './trace/instance-folder.ts';
export { countMountedFileSystems } from './freeze/mounted-file-systems.ts';
export { openFreezer } from './freeze/freezer.ts';
export type { KernelFreezer } from './freeze/freezer.ts';
export { openRuntimeMemory } from './runtime/runtime-memory.ts';
export { removeRuntimeFolder, runtimeFolder } from './runtime/runtime-root.ts';
export { createBufferPool } from './runtime/buffer-pool.ts';
export { systemClock } from './runtime/system-clock.ts';
export { readBootId } from './runtime/boot-id.ts';
