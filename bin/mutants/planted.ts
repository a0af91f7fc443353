// Faults that the interleavings must find, each planted by replacing a few words of the source.

export interface Edit {
  readonly file: string
  /** Stands in the file once. */
  readonly from: string
  readonly to: string
}

export interface Mutant {
  readonly name: string
  readonly edits: readonly Edit[]
}

const STORE = 'src/sessions/store.ts'
const PUBLICATION_STORE = 'src/sessions/publication-store.ts'
const PUBLISH = 'src/sessions/publish.ts'
const ROTATION = 'src/sessions/rotation.ts'
const LIFECYCLE = 'src/sessions/lifecycle.ts'
const REVOCATION = 'src/gateway/revocation.ts'
const RECENT = 'src/sessions/recent.ts'
const SIGN_OUT = 'src/auth/sign-out.ts'
const PRESENT = 'src/auth/present.ts'

export const MUTANTS: readonly Mutant[] = [
  {
    name: 'rotation reads first and writes then',
    edits: [
      {
        file: ROTATION,
        from: '  const [rotated = [], , raised = [], , selected] = await runBatch(db, [',
        to: `  const { sessionId, generation, idleTimeout, spacing } = presented
  const [[row] = []] = await runBatch(db, [selectSession(db, sessionId, idleTimeout)])
  const seen = parseSession(row)
  if (seen?.alive === true && seen.generation === generation && seen.readAt - seen.rotatedAt >= spacing) {
    const [, [after] = []] = await runBatch(db, [
      db.prepare(\`UPDATE sessions SET previous_generation = ?2, generation = ?2 + 1, successor_presented = 0,
        rotated_at = unixepoch(), last_seen_at = unixepoch() WHERE id = ?1\`).bind(sessionId, generation),
      selectSession(db, sessionId, idleTimeout),
    ])
    const session = parseSession(after)
    if (session !== null) return { outcome: 'rotated', session }
  }
  const [rotated = [], , raised = [], , selected] = await runBatch(db, [`,
      },
    ],
  },
  {
    name: 'a rotation undoes an end',
    edits: [
      {
        file: STORE,
        from: `rotated_at = unixepoch(), last_seen_at = unixepoch()
       WHERE id = ?2 AND \${LIVING} AND (`,
        to: `rotated_at = unixepoch(), last_seen_at = unixepoch(), ended_at = NULL
       WHERE id = ?2 AND ?1 > 0 AND (`,
      },
    ],
  },
  {
    name: 'the grace window slides with every replay',
    edits: [
      {
        file: STORE,
        from: 'UPDATE sessions SET successor_presented = 1, last_seen_at = unixepoch()\n       WHERE id = ?2 AND ${LIVING} AND generation = ?3\n         AND (successor_presented = 0',
        to: 'UPDATE sessions SET successor_presented = iif(generation = ?3, 1, successor_presented),\n         rotated_at = iif(generation = ?3, rotated_at, unixepoch()), last_seen_at = unixepoch()\n       WHERE id = ?2 AND ${LIVING} AND (generation = ?3 OR previous_generation IS ?3 AND rotated_at + 30 >= unixepoch())\n         AND (successor_presented = 0 OR generation > ?3',
      },
    ],
  },
  {
    name: 'a lost answer counts as theft',
    edits: [
      {
        file: STORE,
        from: '\n         OR (previous_generation IS ?3 AND successor_presented = 0 AND NOT (${IN_GRACE})))',
        to: ' OR (?5 < 0))',
      },
    ],
  },
  {
    name: 'successor_presented is never set',
    edits: [{ file: STORE, from: 'SET successor_presented = 1,', to: 'SET successor_presented = 0,' }],
  },
  {
    name: 'a fresh token is rotated at once',
    edits: [
      {
        file: STORE,
        from: '(generation = ?3 AND rotated_at + ?4 <= unixepoch())',
        to: '(generation = ?3 AND ?4 >= 0)',
      },
    ],
  },
  {
    name: 'reuse ends every session of the user',
    edits: [
      {
        file: STORE,
        from: '`UPDATE users SET ${RAISE} WHERE id = (SELECT user_id FROM sessions WHERE id = ?2 AND ${REUSED})',
        to: '`UPDATE users SET session_epoch = session_epoch + 1, ${RAISE} WHERE id = (SELECT user_id FROM sessions WHERE id = ?2 AND ${REUSED})',
      },
    ],
  },
  {
    name: 'a storage error counts as reuse',
    edits: [
      {
        file: PRESENT,
        from: 'await presentToken(runtime.db, { ...token, idleTimeout, spacing, grace }, teller)',
        to: "await presentToken(runtime.db, { ...token, idleTimeout, spacing, grace }, teller).catch(() => ({ outcome: 'ended', raised: [] }) as const)",
      },
    ],
  },
  {
    name: 'a slow answer brings a dead cookie back',
    edits: [
      {
        file: 'src/auth/renew.ts',
        from: 'return now() <= youngUntil && !isChanged ? lines : []',
        to: 'return now() <= youngUntil || !isChanged ? lines : []',
      },
    ],
  },
  {
    name: 'a session opens whatever the epoch and the password are by now',
    edits: [
      {
        file: STORE,
        from: 'WHERE u.id = ?2 AND u.session_epoch = ?3 AND u.password_hash IS ?4 AND u.disabled_at IS NULL',
        to: "WHERE u.id = ?2 AND ?3 >= 0 AND ?4 IS NOT '' AND u.disabled_at IS NULL",
      },
    ],
  },
  {
    name: 'a refused sign-in ends the session that it would have replaced',
    edits: [
      {
        file: LIFECYCLE,
        from: "raiseVersionOfSession(db, replaces ?? '', sessionId)",
        to: "raiseVersionOfSession(db, replaces ?? '', '')",
      },
      {
        file: LIFECYCLE,
        from: "endSession(db, replaces ?? '', 'replaced', sessionId)",
        to: "endSession(db, replaces ?? '', 'replaced', '')",
      },
    ],
  },
  {
    name: 'an end that is repeated raises the version again',
    edits: [
      {
        file: STORE,
        from: 'WHERE id = (SELECT user_id FROM sessions WHERE id = ?1 AND ended_at IS NULL)',
        to: 'WHERE id = (SELECT user_id FROM sessions WHERE id = ?1)',
      },
    ],
  },
  {
    name: 'an end raises no version',
    edits: [
      {
        file: LIFECYCLE,
        from: "    raiseVersionOfSession(db, sessionId, ''),\n",
        to: "    db.prepare('SELECT id FROM users WHERE 0'),\n",
      },
    ],
  },
  {
    name: 'a changed password ends nothing',
    edits: [
      {
        file: STORE,
        from: 'SET password_hash = ?4, session_epoch = session_epoch + 1, ${RAISE}',
        to: 'SET password_hash = ?4, ${RAISE}',
      },
    ],
  },
  {
    name: 'a version is the clock alone',
    edits: [
      {
        file: STORE,
        from: "token_version = max(token_version + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER))",
        to: "token_version = CAST(unixepoch('subsec') * 1000 AS INTEGER)",
      },
    ],
  },
  {
    name: 'a version is a counter alone',
    edits: [
      {
        file: STORE,
        from: "token_version = max(token_version + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER))",
        to: 'token_version = token_version + 1',
      },
    ],
  },
  {
    name: 'a sign-out publishes before it commits',
    edits: [
      {
        file: SIGN_OUT,
        from: "import { endAll, endOne } from '../sessions/lifecycle.ts'",
        to: "import { endAll, endOne, findSession } from '../sessions/lifecycle.ts'\nimport { publish } from '../sessions/publish.ts'",
      },
      {
        file: SIGN_OUT,
        from: "  const ended = sessionId === null ? NOTHING : await endOne(exchange.runtime.db, sessionId, 'sign_out', teller)\n",
        to: "  const { db, config } = exchange.runtime\n  const found = sessionId === null ? null : await findSession(db, sessionId, config.sessions.idleTimeout)\n  if (found !== null) await publish(exchange.runtime, found)\n  const done = sessionId === null ? NOTHING : await endOne(db, sessionId, 'sign_out', teller)\n  const ended = { ...done, raised: [] }\n",
      },
    ],
  },
  {
    name: 'an end is answered before it is published',
    edits: [
      {
        file: 'src/auth/effective.ts',
        from: '  await Promise.all(raised.map((user) => publish(runtime, user)))',
        to: '  void Promise.all(raised.map((user) => publish(runtime, user)))',
      },
    ],
  },
  {
    name: 'a publication is not confirmed',
    edits: [
      {
        file: PUBLISH,
        from: '  const [rows] = await runBatch(db, [confirm(db, userId, version)])\n',
        to: '  if (attempts > 0) return\n  const [rows] = await runBatch(db, [confirm(db, userId, version)])\n',
      },
    ],
  },
  {
    name: 'a confirmation does not look whether D1 went on',
    edits: [
      {
        file: PUBLISH,
        from: 'if (current === null || current.tokenVersion <= version || attempts <= 1) return',
        to: 'if (current === null || current.tokenVersion > 0 || attempts <= 1) return',
      },
    ],
  },
  {
    name: 'a successor is handed out however late in the window',
    edits: [
      {
        file: 'src/auth/refresh.ts',
        from: "const mayDie = outcome === 'replayed' && ",
        to: "const mayDie = outcome === 'rotated' && ",
      },
    ],
  },
  {
    name: 'what was confirmed counts as settled at once',
    edits: [
      {
        file: PUBLICATION_STORE,
        from: 'iif(changed_at + ${UNSETTLED_SECONDS} <= unixepoch(), ?2, settled_version)',
        to: '?2',
      },
    ],
  },
  {
    name: 'the cron looks at what is not settled alone',
    edits: [{ file: PUBLISH, from: '[...unpublished, ...unsettled]', to: '[...unsettled]' }],
  },
  {
    name: 'the cron looks at what was never confirmed alone',
    edits: [{ file: PUBLISH, from: '[...unpublished, ...unsettled]', to: '[...unpublished]' }],
  },
  {
    name: 'no marker counts as not revoked',
    edits: [
      {
        file: REVOCATION,
        from: 'return marker !== null && identity.version >= marker\n',
        to: 'return marker === null || identity.version >= marker\n',
      },
    ],
  },
  {
    name: 'a newer marker ends the token instead of asking D1',
    edits: [
      {
        file: REVOCATION,
        from: "  if (await isTrustedByMarker(exchange, identity)) return { outcome: 'trusted', identity }\n",
        to: "  if (await isTrustedByMarker(exchange, identity)) return { outcome: 'trusted', identity }\n  if (findKnown(exchange, identity) !== null) return { outcome: 'ended' }\n",
      },
    ],
  },
  {
    name: 'an isolate lowers its marker',
    edits: [
      { file: 'src/sessions/markers.ts', from: 'Math.max(version, memory.get(userId)?.version ?? 0)', to: 'version' },
    ],
  },
  {
    name: 'a digest judges tokens that are older than what it covers',
    edits: [{ file: RECENT, from: 'digest.since + SLACK <= Number(issuedAt)', to: 'Number(issuedAt) > SLACK' }],
  },
  {
    name: 'a digest judges tokens by their iat alone',
    edits: [{ file: RECENT, from: 'digest.since + SLACK <= Number(issuedAt)', to: 'digest.since <= Number(issuedAt)' }],
  },
  {
    name: 'a digest is trusted for ever',
    edits: [{ file: RECENT, from: 'now() - asOf < isolateTtl + kvTtl && ', to: 'asOf > kvTtl && ' }],
  },
  {
    name: 'no digest counts as nobody changed',
    edits: [{ file: REVOCATION, from: 'if (digest === null) return null', to: 'if (digest === null) return 0' }],
  },
  {
    name: 'an older digest replaces a newer',
    edits: [{ file: RECENT, from: ' && digest.asOf > state.digest.asOf)', to: ')' }],
  },
  {
    name: 'what is cut off a digest is not said',
    edits: [
      { file: PUBLICATION_STORE, from: "json_object('since', since,", to: "json_object('since', unixepoch() - ?1," },
    ],
  },
  {
    name: 'one session that has ended is taken for every other',
    edits: [{ file: PRESENT, from: '`${kind} ${token.sessionId} ${token.generation}`', to: 'kind' }],
  },
  {
    name: 'a version is raised without saying when',
    edits: [{ file: STORE, from: ' * 1000 AS INTEGER)), changed_at = unixepoch()`', to: ' * 1000 AS INTEGER))`' }],
  },
]
