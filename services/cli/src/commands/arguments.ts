/** Arguments that several commands take. */
import { parseWholeNumber } from '@lms/command-line';

export const MACHINE = ['<id-or-name>', 'id or name of the source machine'] as const;
export const SEQUENCE = [
  '<sequence>',
  'sequence number of the point',
  parseWholeNumber(1, Number.MAX_SAFE_INTEGER),
] as const;
