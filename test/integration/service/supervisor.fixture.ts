/** Supervises `sleep`, tells its pid on stdout, and waits to be killed. Arguments: state file. */
import { SupervisedProcess } from '@lms/service';
import { createLogger } from '@lms/telemetry';

const supervised = new SupervisedProcess({
  name: 'sleeper',
  stateFile: process.argv[2] ?? '',
  command: () => Promise.resolve({ program: 'sleep', arguments: ['600'] }),
  logger: createLogger('test'),
  onChange: ({ phase, pid }) => {
    if (phase === 'running') process.stdout.write(`${pid}\n`);
  },
});
supervised.start();
