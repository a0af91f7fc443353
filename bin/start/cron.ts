// The cron: on this machine wrangler runs it only when it is asked to.

const MINUTE_MS = 60_000

/** Asks every minute, as `triggers` in wrangler.toml does where the gateway is deployed, until this process ends. */
export function startCron(origin: string): void {
  setInterval(() => void fetch(`${origin}/cdn-cgi/handler/scheduled`).catch(() => undefined), MINUTE_MS)
}
