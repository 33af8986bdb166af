/**
 * Certificates of the manager's services among each other: an internal CA of their own. It is never the CA that agents
 * and replication servers are signed by, so that no agent's certificate opens a door between services.
 */
import { z } from 'zod';
import { readConfiguredFile } from '@lms/service';
import { LISTEN_ADDRESS } from './listen.ts';

export interface TlsMaterial {
  readonly caPem: string;
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** Where they came from; they are read again from there. Absent: they never change. */
  readonly files?: TlsFiles;
}

/** DNS name that the certificate of a component carries, whatever address it listens on. */
export function componentServerName(component: string): string {
  return `${component}.lms.internal`;
}

/** The part of a service's configuration that every one has: where it listens, and its certificates. */
export const RPC_CONFIGURATION = {
  LMS_LISTEN: LISTEN_ADDRESS.default('127.0.0.1:0'),
  LMS_TLS_CA: z.string(),
  LMS_TLS_CERT: z.string(),
  LMS_TLS_KEY: z.string(),
} as const;

export interface TlsFiles {
  readonly LMS_TLS_CA: string;
  readonly LMS_TLS_CERT: string;
  readonly LMS_TLS_KEY: string;
}

export function readTlsMaterial({ LMS_TLS_CA, LMS_TLS_CERT, LMS_TLS_KEY }: TlsFiles): TlsMaterial {
  const files = { LMS_TLS_CA, LMS_TLS_CERT, LMS_TLS_KEY };
  return {
    files,
    caPem: readConfiguredFile('LMS_TLS_CA', files.LMS_TLS_CA),
    certificatePem: readConfiguredFile('LMS_TLS_CERT', files.LMS_TLS_CERT),
    privateKeyPem: readConfiguredFile('LMS_TLS_KEY', files.LMS_TLS_KEY),
  };
}
