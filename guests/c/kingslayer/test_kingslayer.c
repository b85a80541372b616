/* Tests of the event framework against the fake host. */
#include <wisted_testing.h>

static void handlers_run_in_the_order_of_their_registration(void) {
    WISTED_CHECK(wisted_fake_run(wisted_exported_program, NULL) == NULL);
    WISTED_CHECK_TEXT(wisted_fake_take_log(), "info oath: the guard swears to keep the king\n"
                                              "info doubt: the king calls for fire\n"
                                              "info deed: the guard draws his sword\n");
}

static void a_handler_without_execute_is_named(void) {
    const char *const no[] = {"forget", "false", NULL};
    WISTED_CHECK(wisted_fake_run(wisted_exported_program, no) == NULL);
    const char *const yes[] = {"forget", "true", NULL};
    WISTED_CHECK_TEXT(wisted_fake_run(wisted_exported_program, yes),
                      "the handler `forgetful` does nothing: you must override execute");
}

int main(void) {
    handlers_run_in_the_order_of_their_registration();
    a_handler_without_execute_is_named();
    return 0;
}
