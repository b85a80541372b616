/* Tests of logging, configuration and randomness. */
#include <string.h>
#include <wisted_testing.h>

static const char *start(void *context, wisted_pairs config) {
    (void)context;
    WISTED_CHECK(config.count == 2);
    WISTED_CHECK_TEXT(wisted_config_find(config, "b"), "");
    WISTED_CHECK(wisted_config_find(config, "A") == NULL);
    return NULL;
}

int main(void) {
    wisted_fake_reset();
    wisted_log(WISTED_INFO, "%s %d", "one", 1);
    wisted_log_text(WISTED_ERROR, (wisted_text){"two and more", 3});
    char long_text[3001];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    wisted_log(WISTED_TRACE, "%s", long_text);
    const char *log = wisted_fake_take_log();
    WISTED_CHECK(strncmp(log, "info one 1\nerror two\ntrace xxx", 30) == 0);
    WISTED_CHECK(strlen(log) == 11 + 10 + 6 + 3000 + 1);
    WISTED_CHECK_TEXT(wisted_fake_take_log(), "");

    static const wisted_factory factory = {.start = start};
    const char *const config[] = {"a", "1", "b", "", NULL};
    WISTED_CHECK(wisted_fake_start(&factory, config) == NULL);
    char *value = wisted_config_get("a");
    WISTED_CHECK_TEXT(value, "1");
    free(value);
    value = wisted_config_get("b");
    WISTED_CHECK_TEXT(value, "");
    free(value);
    WISTED_CHECK(wisted_config_get("c") == NULL);
    wisted_pairs all = wisted_config_all();
    WISTED_CHECK(all.count == 2);
    wisted_config_free(all);

    static unsigned char random[200001];
    wisted_random(random, 200000);
    int ones = 0;
    for (size_t i = 0; i < 200000; i++)
        ones += random[i] & 1;
    WISTED_CHECK(ones > 95000 && ones < 105000 && random[200000] == 0);
    wisted_random(random, 0);
    wisted_fake_reset();
    return 0;
}
