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

/* The classes through which "all" cycles. Later classes are recorded by name, so that no recorded seed changes its class. */
enum { CLASSES_IN_TURN = 14 };

struct options {
	uint32_t class_id; /* equal to the driver's class count: the seed selects the class */
	uint64_t first, last; /* seeds, without `last` */
	uint32_t steps;
	uint32_t has_cc;
	const char *check;
};

static const char *class_name(uint32_t class_id)
{
	return class_id < session_driver.class_count ? session_driver.class_names[class_id] : "all";
}

static uint32_t class_by_name(const char *name)
{
	uint32_t i;
	for (i = 0; i <= session_driver.class_count; i++) {
		if (strcmp(name, class_name(i)) == 0) return i;
	}
	fprintf(stderr, "session-digest: no class %s\n", name);
	exit(2);
}

static uint32_t class_of(const struct options *o, uint64_t seed)
{
	if (o->class_id < session_driver.class_count) return o->class_id;
	return (uint32_t)(seed % CLASSES_IN_TURN);
}

static void play(const struct options *o, uint64_t seed, uint64_t digests[SESSION_DIGESTS])
{
	uint32_t class_id = class_of(o, seed);
	uint32_t step, steps = session_driver.class_steps(class_id, o->steps);
	struct session_config config;
	struct session *session;
	memset(&config, 0, sizeof(config));
	config.seed = seed;
	config.class_id = class_id;
	config.has_cc = o->has_cc;
	session = session_driver.open(&linked, &config);
	for (step = 0; step < steps; step++) session_driver.step(session, step);
	session_driver.close(session, digests);
}

/* Half of each digest is recorded: enough to notice a difference, and a file of thousands stays small. */
static unsigned long written(uint64_t digest)
{
	return (unsigned long)(digest >> 32);
}

static void print_all(const struct options *o)
{
	uint64_t seed, d[SESSION_DIGESTS];
	printf("steps %lu\nclass %s\n%s", (unsigned long)o->steps, class_name(o->class_id), o->has_cc ? "" : "no-cc\n");
	for (seed = o->first; seed < o->last; seed++) {
		play(o, seed, d);
		printf("%lu %08lx %08lx %08lx\n", (unsigned long)seed, written(d[0]), written(d[1]), written(d[2]));
	}
}

/* Plays the sessions of a file in the format above, within the seeds asked for, and compares. */
static int check_file(struct options *o)
{
	static const char *const digest_names[SESSION_DIGESTS] = {"wire", "scalars", "lists"};
	FILE *file = fopen(o->check, "r");
	char line[256], name[32];
	unsigned long seed, steps, recorded[SESSION_DIGESTS], checked = 0, wrong = 0;
	if (file == NULL) {
		perror(o->check);
		return 2;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		if (line[0] == '#' || line[0] == '\n') continue;
		if (sscanf(line, "steps %lu", &steps) == 1) {
			o->steps = (uint32_t)steps;
		} else if (sscanf(line, "class %31s", name) == 1) {
			o->class_id = class_by_name(name);
		} else if (strcmp(line, "no-cc\n") == 0) {
			o->has_cc = 0;
		} else if (sscanf(line, "%lu %lx %lx %lx", &seed, &recorded[0], &recorded[1], &recorded[2]) == 4) {
			uint64_t d[SESSION_DIGESTS];
			int i = 0;
			if (seed < o->first || seed >= o->last) continue;
			play(o, seed, d);
			while (i < SESSION_DIGESTS && written(d[i]) == recorded[i]) i++;
			checked++;
			if (i == SESSION_DIGESTS || wrong++ >= 20) continue;
			printf("class %s, seed %lu: the %s digest differs\n", class_name(class_of(o, seed)), seed, digest_names[i]);
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
	struct options o = {session_driver.class_count, 0, (uint64_t)-1, 1500, 1, NULL};
	int i;
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
			if (o.last <= o.first) return usage();
		} else {
			return usage();
		}
	}
	if (o.check != NULL) return check_file(&o);
	if (o.last == (uint64_t)-1) o.last = 100;
	print_all(&o);
	return 0;
}
