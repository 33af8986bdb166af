export { CHECK_REASONS, isCheckReason } from './report/reasons.ts';
export type { CheckReason, ReasonFacts } from './report/reasons.ts';
export { explain } from './report/report-builder.ts';
export type { CheckFailure, CheckReport, CheckStep, CheckStepName, CheckTarget } from '@lms/api';
