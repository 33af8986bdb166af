/** What hardly anybody changes, from the environment: for paths on which the default does not fit. */
import { readConfiguration, type Environment } from '@lms/service';
import { z } from 'zod';

const CONFIGURATION = z.object({
  LMS_BLOCK_STREAM_CONNECT_TIMEOUT_SECONDS: z.coerce.number().min(1).max(300).optional(),
});

export interface Tuning {
  /** How long one address of 1500 may take to be connected to, TCP and TLS together. */
  readonly connectTimeoutMilliseconds?: number;
}

export function readTuning(environment: Environment): Tuning {
  const { LMS_BLOCK_STREAM_CONNECT_TIMEOUT_SECONDS: seconds } = readConfiguration(CONFIGURATION, environment);
  return seconds === undefined ? {} : { connectTimeoutMilliseconds: seconds * 1_000 };
}
