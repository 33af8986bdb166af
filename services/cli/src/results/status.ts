import type { Status } from '@lms/api';
import { formatFields, formatOptional, formatTable } from '@lms/command-line';
import type { Result } from '@lms/command-line';

export function statusResult(status: Status): Result {
  return {
    value: status,
    names: () => status.components.map((component) => component.name),
    table: () =>
      [
        formatFields([
          ['healthy', status.healthy ? 'yes' : 'no'],
          ['manager', status.managerUrl],
          ['block stream', formatOptional(status.blockStream)],
        ]),
        '',
        formatTable(
          ['COMPONENT', 'HEALTHY', 'PID', 'DETAIL'],
          status.components.map(({ name, healthy, pid, detail }) => [
            name,
            healthy ? 'yes' : 'no',
            formatOptional(pid),
            detail ?? '',
          ]),
        ),
      ].join('\n'),
  };
}
