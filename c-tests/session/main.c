/* session-digest: plays sessions against the library it is linked with, and prints or checks their digests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"

/* Exported by every implementation, declared by no header. */
extern int ikcp_interval(ikcpcb *kcp, int interval);
extern void ikcp_parse_data(ikcpcb *kcp, struct IKCPSEG *newseg);

static const struct session_api linked = {
	ikcp_create,    ikcp_release, ikcp_setoutput, ikcp_recv,     ikcp_send,      ikcp_update,   ikcp_check,
	ikcp_input,     ikcp_flush,   ikcp_peeksize,  ikcp_setmtu,   ikcp_wndsize,   ikcp_waitsnd,  ikcp_nodelay,
#ifdef SESSION_NO_CC
	NULL,
#else
	ikcp_setcc,
#endif
	ikcp_log,       ikcp_allocator, ikcp_getconv, ikcp_interval, ikcp_parse_data};

struct options {
	uint32_t class_id; /* the driver's class count: every class in turn, by seed */
	uint64_t first, last;
	uint32_t steps;
	uint32_t has_cc;
	const char *check;
};

static void play(const struct options *o, uint32_t class_id, uint64_t seed, uint64_t digests[SESSION_DIGESTS])
{
	struct session_config config;
	struct session *session;
	uint32_t step, steps = session_driver.class_steps(class_id, o->steps);
	memset(&config, 0, sizeof(config));
	config.seed = seed;
	config.class_id = class_id;
	config.has_cc = o->has_cc;
	session = session_driver.open(&linked, &config);
	for (step = 0; step < steps; step++) session_driver.step(session, step);
	session_driver.close(session, digests);
}

static uint32_t class_by_name(const char *name)
{
	uint32_t i;
	for (i = 0; i < session_driver.class_count; i++) {
		if (strcmp(name, session_driver.class_names[i]) == 0) return i;
	}
	if (strcmp(name, "all") == 0) return i;
	fprintf(stderr, "session-digest: no class %s\n", name);
	exit(2);
}

static void print_one(const struct options *o, uint32_t class_id, uint64_t seed)
{
	uint64_t d[SESSION_DIGESTS];
	play(o, class_id, seed, d);
	printf("%s %lu %08lx%08lx %08lx%08lx %08lx%08lx\n", session_driver.class_names[class_id], (unsigned long)seed,
	       (unsigned long)(d[0] >> 32), (unsigned long)(d[0] & 0xffffffffu), (unsigned long)(d[1] >> 32),
	       (unsigned long)(d[1] & 0xffffffffu), (unsigned long)(d[2] >> 32), (unsigned long)(d[2] & 0xffffffffu));
}

static uint64_t hexadecimal(const char *text)
{
	uint64_t value = 0;
	for (; *text != 0; text++) {
		value = value << 4 | (uint64_t)(*text >= 'a' ? *text - 'a' + 10 : *text - '0');
	}
	return value;
}

/* Lines as printed above, after "steps N" and, where the behaviour has no congestion hooks, "no-cc". */
static int check_file(struct options *o)
{
	static const char *const digest_names[SESSION_DIGESTS] = {"wire", "scalars", "lists"};
	FILE *file = fopen(o->check, "r");
	char line[256], name[32], text[SESSION_DIGESTS][32];
	unsigned long seed, steps, checked = 0, wrong = 0;
	if (file == NULL) {
		perror(o->check);
		return 2;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		if (line[0] == '#' || line[0] == '\n') continue;
		if (sscanf(line, "steps %lu", &steps) == 1) {
			o->steps = (uint32_t)steps;
		} else if (strcmp(line, "no-cc\n") == 0) {
			o->has_cc = 0;
		} else if (sscanf(line, "%31s %lu %31s %31s %31s", name, &seed, text[0], text[1], text[2]) == 5) {
			uint64_t digests[SESSION_DIGESTS];
			int i;
			if (seed < o->first || seed > o->last) continue;
			play(o, class_by_name(name), seed, digests);
			for (i = 0; i < SESSION_DIGESTS && digests[i] == hexadecimal(text[i]); i++) {
			}
			checked++;
			if (i < SESSION_DIGESTS) {
				if (wrong++ < 20) printf("class %s, seed %lu: the %s digest differs\n", name, seed, digest_names[i]);
			}
		} else {
			fprintf(stderr, "%s: cannot read: %s", o->check, line);
			fclose(file);
			return 2;
		}
	}
	fclose(file);
	printf("%lu sessions of %lu steps, %lu differ\n", checked, (unsigned long)o->steps, wrong);
	if (checked == 0) return 2;
	return wrong == 0 ? 0 : 1;
}

static int usage(void)
{
	fprintf(stderr, "usage: session-digest [--class NAME|all] [--seeds A..B] [--steps N] [--no-cc]\n"
	                "       session-digest --check FILE [--seeds A..B]\n"
	                "Plays the seeds from A up to, not including, B; with class all, the class follows from the seed.\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct options o;
	uint64_t seed;
	int i;
	o.class_id = session_driver.class_count;
	o.first = 0;
	o.last = (uint64_t)-1;
	o.steps = 1500;
	o.has_cc = 1;
	o.check = NULL;
#ifdef SESSION_NO_CC
	o.has_cc = 0;
#endif
	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--no-cc") == 0) {
			o.has_cc = 0;
		} else if (i + 1 == argc) {
			return usage();
		} else if (strcmp(argv[i], "--class") == 0) {
			o.class_id = class_by_name(argv[++i]);
		} else if (strcmp(argv[i], "--steps") == 0) {
			o.steps = (uint32_t)strtoul(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--check") == 0) {
			o.check = argv[++i];
		} else if (strcmp(argv[i], "--seeds") == 0) {
			char *rest;
			o.first = strtoul(argv[++i], &rest, 10);
			if (rest[0] != '.' || rest[1] != '.') return usage();
			o.last = strtoul(rest + 2, NULL, 10);
			if (o.last-- <= o.first) return usage();
		} else {
			return usage();
		}
	}
	if (o.check != NULL) return check_file(&o);
	if (o.last == (uint64_t)-1) o.last = 99;
	if (o.class_id == session_driver.class_count) printf("steps %lu\n%s", (unsigned long)o.steps, o.has_cc ? "" : "no-cc\n");
	for (seed = o.first; seed <= o.last; seed++) {
		print_one(&o, o.class_id == session_driver.class_count ? (uint32_t)(seed % o.class_id) : o.class_id, seed);
	}
	return 0;
}
