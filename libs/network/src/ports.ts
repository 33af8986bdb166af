/** Ports that the product is known by. Others are chosen by whoever sets the installation up, or stand in `cluster/`. */

/** REST, for agents, replication servers, the console and `lms`: what the manager is reached on from outside. */
export const MANAGER_PORT = 443;
/** Block streams: what a replication server, or the router in front of several, is reached on. */
export const BLOCK_STREAM_PORT = 1500;
/** Names are asked for by UDP, and by TCP where an answer is long. */
export const DNS_PORT = 53;

export const PROTOCOLS = ['tcp', 'udp'] as const;
export type Protocol = (typeof PROTOCOLS)[number];
