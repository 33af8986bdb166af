/**
 * What replication servers are called towards agents: by SNI, and in their certificates. The name is the machine's and not the
 * server's, so that a router finds the server of a machine by SNI, and an agent believes whichever server is its own today.
 */
const SUFFIX = '.block-stream.lms.internal';
const FORM = /^(m-[0-9a-f]{20})\.block-stream\.lms\.internal$/;

/** In the certificate of a server that serves many machines. */
export const ANY_BLOCK_STREAM_SERVER_NAME = `*${SUFFIX}`;
/** Covered by that, and of no machine: of who has no machine id yet. */
export const NOBODYS_BLOCK_STREAM_SERVER_NAME = `check${SUFFIX}`;

/** What an agent asks for by SNI; a replication server's certificate covers it by a wildcard or by this name. */
export function blockStreamServerName(machineId: string): string {
  return `${machineId}${SUFFIX}`;
}

/** The machine id in such a name; null: it is none. */
export function machineOfServerName(name: string): string | null {
  return FORM.exec(name)?.[1] ?? null;
}
