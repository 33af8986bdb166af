import { withHealthPort } from '@lms/rpc';
import { runMain } from '@lms/service';
import { readStagingControllerConfiguration } from './config.ts';
import { createStagingControllerService } from './service.ts';

await runMain('staging-controller', () =>
  withHealthPort(createStagingControllerService(readStagingControllerConfiguration())),
);
