// What the platform logs besides the gateway's own lines: URLs of requests (reset links) and headers (tokens in a subprotocol).
import { isObject, type JsonObject } from '../../src/json.ts'

/** `observability.enabled` switches logs on; traces have a switch of their own. */
export function logWarnings(toml: JsonObject): readonly string[] {
  const observability = tableOf(toml, 'observability')
  const [logs, traces] = [tableOf(observability, 'logs'), tableOf(observability, 'traces')]
  const logsAreOn = (logs['enabled'] ?? observability['enabled']) === true
  const tracesAreOn = traces['enabled'] === true
  const rules: readonly (readonly [boolean, string])[] = [
    [
      logsAreOn && logs['invocation_logs'] !== false,
      'observability.logs.invocation_logs is not false: Workers Logs keep the URL and headers of each request, password reset links among them',
    ],
    [
      tracesAreOn && observability['redact_query_string'] !== true,
      'observability.redact_query_string is not true: traces keep query strings, password reset links among them',
    ],
    [
      toml['logpush'] === true,
      'logpush is true: leave the field Event out of the job, which has the URL and headers of each request',
    ],
  ]
  return rules.flatMap(([applies, text]) => (applies ? [text] : []))
}

function tableOf(toml: JsonObject, key: string): JsonObject {
  const value = toml[key]
  return isObject(value) ? value : {}
}
