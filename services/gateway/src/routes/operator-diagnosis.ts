/** Why a machine does not replicate: facts of every side, and the rules over them (`../diagnosis`). */
import { Diagnosis, DiagnosisQuery, IdOrName } from '@lms/api';
import { z } from 'zod';
import { diagnose } from '../diagnosis/diagnose.ts';
import { gatherFacts } from '../diagnosis/gather.ts';
import { answers } from '../http/answers.ts';
import type { Application } from '../http/application.ts';
import type { RouteContext } from './route-context.ts';

export function addDiagnosisRoute(application: Application, { clients }: RouteContext): void {
  application.post(
    '/v1/machines/:idOrName/diagnosis',
    {
      config: { access: 'operator' },
      schema: {
        summary: 'Why it does not replicate, and what to do next; changes nothing',
        params: z.object({ idOrName: IdOrName }),
        querystring: DiagnosisQuery,
        response: answers(Diagnosis),
      },
    },
    async ({ params }) => diagnose(await gatherFacts(clients, params.idOrName, new Date())),
  );
}
