// The least that a Worker can do: the request goes on as it came.

interface Env {
  readonly UPSTREAM: string
}

export default {
  fetch: (request, { UPSTREAM }) => fetch(new Request(UPSTREAM + new URL(request.url).pathname, request)),
} satisfies ExportedHandler<Env>
