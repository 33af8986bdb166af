/**
 * Memory for O_DIRECT. Node's Buffers start anywhere; a `WebAssembly.Memory` starts on a page, stays where it is, and
 * (shared) can be seen by worker threads. Its pages are 64 KiB.
 */
/** The part of the interface that we use: TypeScript declares it for browsers only. */
declare const WebAssembly: {
  readonly Memory: new (descriptor: { readonly initial: number; readonly maximum: number; readonly shared: true }) => {
    readonly buffer: SharedArrayBuffer;
  };
};

const WEB_ASSEMBLY_PAGE_BYTES = 65_536;

/** Zeroed, page-aligned, of at least this size; the view has exactly this size. Freed with its last view. */
export function allocateAlignedMemory(sizeBytes: number): Uint8Array<SharedArrayBuffer> {
  const pages = Math.ceil(sizeBytes / WEB_ASSEMBLY_PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return new Uint8Array(memory.buffer, 0, sizeBytes);
}
