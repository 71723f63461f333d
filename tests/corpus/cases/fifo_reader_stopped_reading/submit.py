import time

feedback = open("feedback", "w")
for number in range(2000):
    print("SUBMISSION_FILES_EXTRACTED", number, "." * 60, file=feedback, flush=True)
    #MEND time.sleep(0.0007)
