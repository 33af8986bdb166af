/** Bounds of everything that arrives on 443. Each is far above what is honest and far below what hurts. */

/** More disks on one machine than any source seen; a batch of statistics stays below 1 MiB with them. */
export const MAXIMUM_DISKS = 64;
/** A public and a private address leave one. */
export const MAXIMUM_BLOCK_STREAM_ALTERNATIVES = 16;
/** A name with more addresses is not one of ours. */
export const MAXIMUM_RESOLVED_ADDRESSES = 8;
/** Of a host: bridges and containers make dozens. */
export const MAXIMUM_INTERFACE_ADDRESSES = 64;
export const MAXIMUM_REFUSALS = 8;
/** Statistics are taken every few seconds: half an hour of a manager's absence in one batch. */
export const MAXIMUM_STATISTICS_BATCH = 500;
export const MAXIMUM_LOG_BATCH = 1_000;
export const MAXIMUM_LOG_MESSAGE_LENGTH = 8_192;
export const MAXIMUM_LOG_ATTRIBUTES = 64;
/** Default retention keeps 37 points; with pins and short rows a few hundred. */
export const MAXIMUM_POINTS_PER_REPORT = 4_096;
/** A P-256 CSR or certificate is below 2 KiB; a chain of four fits. */
export const MAXIMUM_PEM_LENGTH = 16_384;
/** Inventory is facts for people and for launches, not a dump. */
export const MAXIMUM_INVENTORY_BYTES = 65_536;
export const MAXIMUM_RETENTION_ROWS = 16;
export const MAXIMUM_NO_PROXY_ENTRIES = 256;
export const MAXIMUM_SENTENCE_LENGTH = 2_048;
/** Below the idle time-out of the usual proxies (30 s and up). */
export const MAXIMUM_WAIT_SECONDS = 25;
export const DEFAULT_PAGE_SIZE = 100;
export const MAXIMUM_PAGE_SIZE = 1_000;
/** How long an operator may let a point take. */
export const MAXIMUM_OPERATION_TIMEOUT_SECONDS = 86_400;
/** Body limit of a batch after decompression, and of everything else. */
export const MAXIMUM_BATCH_BODY_BYTES = 8 * 1024 * 1024;
export const MAXIMUM_BODY_BYTES = 256 * 1024;
/** What agents are told: how often to send one. A machine counts as connected for three of them and a little. */
export const HEARTBEAT_SECONDS = 10;
