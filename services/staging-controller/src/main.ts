import { runMain } from '@lms/service';
import { readStagingControllerConfiguration } from './config.ts';
import { createStagingControllerService } from './service.ts';

await runMain('staging-controller', () => createStagingControllerService(readStagingControllerConfiguration()));
