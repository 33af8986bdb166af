/**
 * Why a process ended, for the one that started it: a file named by `LMS_FAILURE_FILE`, since its stderr goes to people.
 * Written by `runMain` when a service fails; removed by the starter before each start.
 */
import { readFile, rm } from 'node:fs/promises';
import { writeFileSync } from 'node:fs';
import { isErrorCode, type ErrorCode, type LmsError } from '@lms/errors';
import { z } from 'zod';

export const FAILURE_FILE_VARIABLE = 'LMS_FAILURE_FILE';

const REPORT = z.object({
  code: z.string().refine(isErrorCode),
  message: z.string(),
  action: z.string().nullable(),
});

export interface FailureReport {
  readonly code: ErrorCode;
  readonly message: string;
  readonly action: string | null;
}

export function writeFailureReport({ code, message, action }: LmsError): void {
  const path = process.env[FAILURE_FILE_VARIABLE] ?? '';
  if (path === '') return;
  try {
    writeFileSync(path, JSON.stringify({ code, message, action }), { mode: 0o600 });
  } catch {
    // The log has it; the starter says only how the process ended.
  }
}

/** Null when there is none: it was killed, or it is no program of ours. */
export async function readFailureReport(path: string): Promise<FailureReport | null> {
  try {
    return REPORT.parse(JSON.parse(await readFile(path, 'utf8'))) as FailureReport;
  } catch {
    return null;
  }
}

export async function removeFailureReport(path: string): Promise<void> {
  await rm(path, { force: true });
}
