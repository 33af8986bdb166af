/** `per_cpu/cpuN/stats`: one `label: number` a line. */
import { LmsError } from '@lms/errors';
import type { ProcessorStatistics } from '../../core/ports.ts';

/** A figure that is missing would be a loss that nobody sees (R4), so it is an error. */
export function parseRingStatistics(text: string): ProcessorStatistics {
  return {
    overrun: figure(text, '\noverrun: '),
    commitOverrun: figure(text, '\ncommit overrun: '),
    droppedEvents: figure(text, '\ndropped events: '),
    readEvents: figure(text, '\nread events: '),
  };
}

function figure(text: string, label: string): number {
  const start = text.indexOf(label);
  const value =
    start < 0 ? Number.NaN : Number.parseInt(text.slice(start + label.length, start + label.length + 20), 10);
  if (Number.isNaN(value)) {
    throw new LmsError('UNSUPPORTED', `this kernel's trace statistics have no figure "${label.trim()}"`);
  }
  return value;
}
