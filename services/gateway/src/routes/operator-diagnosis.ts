/** Why a machine does not replicate: facts of every side, and the rules over them (`../diagnosis`). */
import { Diagnosis, DiagnosisQuery, IdOrName } from '@lms/api';
import { z } from 'zod';
import { WORTH_A_CHECK, checkFromAgent } from '../diagnosis/check-from-agent.ts';
import { diagnose } from '../diagnosis/diagnose.ts';
import { gatherFacts } from '../diagnosis/gather.ts';
import { agentHeard } from '../diagnosis/inference.ts';
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
    async ({ params, query }) => {
      const facts = await gatherFacts(clients, params.idOrName, new Date());
      const first = diagnose(facts);
      if (query.check === 'false' || !WORTH_A_CHECK.has(first.cause ?? '') || !agentHeard(facts)) return first;
      const check = await checkFromAgent(clients, facts.machine.id);
      // What the others say has grown older meanwhile.
      return diagnose({ ...(await gatherFacts(clients, facts.machine.id, new Date())), check });
    },
  );
}
