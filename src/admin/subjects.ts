// Subjects of other issuers, whose tokens issued until now are refused from now on.

import { answerJson } from '../auth/answer.ts'
import { revokeSubject } from '../auth/revoke-subject.ts'
import { Denial } from '../denial.ts'
import { ENDED } from './ended.ts'
import { TEXT } from './fields.ts'
import { operation } from './operation.ts'
import { record } from './write.ts'

/** How many tokens there are, nobody here knows: `ended` is 1. */
export const endSubject = operation({
  method: 'POST',
  path: '/revoked-subjects',
  summary: 'Revoke the tokens of a subject of another issuer',
  body: { issuer: TEXT, subject: TEXT },
  answers: { 200: ENDED },
  run: async (call, _, body) => {
    const named = { issuer: body.get('issuer'), subject: body.get('subject') }
    const effective = await revokeSubject(
      call.runtime,
      named,
      record(call, 'subject.revoke', named.subject, { issuer: named.issuer }),
    )
    if (effective === null) throw new Denial('no_route')
    return answerJson({ ended: 1, effective_by: effective })
  },
})
